"""How many machines a site of cameras needs, from what a frame and a mask cost on one."""
