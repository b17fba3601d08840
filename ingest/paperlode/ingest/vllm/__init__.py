"""The recognition server: its wire, how hard to press it, and how it is started."""
