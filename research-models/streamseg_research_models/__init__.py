"""Models that are not free for any use; NOTICE and their cards say what each allows."""
