"""What Lakehold is made of: pinned artifacts and Python environments, verified and laid out once per machine."""
