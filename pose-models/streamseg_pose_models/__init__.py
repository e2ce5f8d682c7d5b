"""The weights of `person-pose` and `people`; their cards say where they come from."""
