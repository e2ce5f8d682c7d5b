"""Messages that must arrive: kept on disk until their receiver has them, and sent by a thread of their own."""
