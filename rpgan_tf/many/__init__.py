"""What K discriminators tell the generator, which of them take part, and when their projections change."""
