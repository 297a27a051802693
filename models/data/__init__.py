"""The data sets: what each is, where its files are found, and how they are read."""
