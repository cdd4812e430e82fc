"""Names of what a filter responds to, each with an effect size and a corrected p-value; no name if nothing is significant."""
