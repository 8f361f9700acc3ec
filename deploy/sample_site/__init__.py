"""A small web site to try wordwatch on: each page shows something of what is counted and what is not."""
