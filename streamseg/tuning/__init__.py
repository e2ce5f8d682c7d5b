"""Which backend, precision and share of the cores runs a model quickest here: measured, checked, remembered."""
