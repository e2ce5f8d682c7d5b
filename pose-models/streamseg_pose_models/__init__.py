"""The weights of `person-pose`; their card says where they come from."""
