"""Names: what a filter answers to, each with an effect size and a corrected p-value; silence where nothing is significant."""
