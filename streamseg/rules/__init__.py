"""What is measured in zones and at lines, and the rules that are made of it."""
