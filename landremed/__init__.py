"""Land remediation: overlay parcels with constraint layers, decide by the clauses of a plan."""
