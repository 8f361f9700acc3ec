"""The scheduler's own SQL; besides, it may call the claim, and nothing else."""

SWEEP = "SELECT sweep_leases($1, $2, $3, $4, $5::text[])"

WAKE_HOSTS = "SELECT wake_hosts($1::text[])"
