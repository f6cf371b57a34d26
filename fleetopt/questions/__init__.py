"""Planning questions, a module each: a result object and the function that answers it."""
