"""Models as other frameworks export them, and what those frameworks find with them: `make zoo`."""
