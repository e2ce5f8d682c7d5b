"""Training of networks on one's own pictures; needs the extra `streamseg[train]`, which running a model never does."""
