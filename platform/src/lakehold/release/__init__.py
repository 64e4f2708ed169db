"""What Lakehold is made of: pinned artifacts and Python environments, fetched, verified and laid out once per machine."""
