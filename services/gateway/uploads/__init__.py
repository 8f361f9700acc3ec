"""Reading uploads: from bytes, in whatever form people have them, to the records of a batch. No network, no clock."""
