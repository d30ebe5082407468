"""Who belongs to a school, and as what; how a person comes to belong to several."""
