"""Fetching one page: politely, within limits, and never from where it must not.

`fetch.fetch` is the way in; `client.open_session` makes what it works with. Nothing here knows of queues.
"""
