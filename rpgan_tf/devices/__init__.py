"""What a run computes on: one device, those of a machine, or several machines."""
