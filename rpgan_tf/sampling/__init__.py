"""What a trained generator draws."""
