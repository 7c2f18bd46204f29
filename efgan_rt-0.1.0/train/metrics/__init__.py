"""How good edits are: one metric a file, and the judges that read expressions off pictures."""
