"""What is said about a run afterwards: latency tables, contact sheets, benchmarks."""
