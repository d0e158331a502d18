"""How the outside talks to the service: one file per protocol. HTTP statuses exist here and nowhere else."""
