"""What a site's robots.txt lets wordwatch fetch (RFC 9309).

`gate.Robots` is the way in: asked before each request for a page. `rules` decides, `answers` says what an answer to
the question means, `asking` asks, `cache` keeps.
"""
