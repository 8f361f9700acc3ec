"""What people use for the same work today, each as its own documentation has it; in an environment of their own."""
