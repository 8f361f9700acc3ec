"""The scheduler's SQL: it may call the claim and the sweep, and nothing else."""

CLAIM = "SELECT * FROM claim_checks($1::text[], $2, $3, $4, $5, $6::text[])"
SWEEP = "SELECT sweep_leases($1, $2, $3, $4, $5::text[])"
