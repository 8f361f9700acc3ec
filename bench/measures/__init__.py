"""What is measured, each against its bar: one module a measure."""
