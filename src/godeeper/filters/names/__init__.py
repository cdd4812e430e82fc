"""Names for filters by what they respond to, with effect sizes and corrected p-values."""
