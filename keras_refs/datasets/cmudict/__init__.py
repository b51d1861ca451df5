"""Which language a paragraph is written in."""
