"""What happens around the iterations: saving, logging, looking at the discriminators, memory."""
