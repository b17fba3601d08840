"""Pages into blocks: the Parser protocol and the local parser."""
