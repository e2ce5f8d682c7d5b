"""What a network is, before anything runs it: its description, its file, and where both are found."""
