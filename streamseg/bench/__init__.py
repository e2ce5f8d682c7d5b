"""How fast streamseg is, beside what one would write first, beside the network alone, and beside other programs."""
