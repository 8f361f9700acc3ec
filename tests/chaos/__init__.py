"""Everything is killed, stopped, wiped and restarted while checks and batches come in; then each of them is judged."""
