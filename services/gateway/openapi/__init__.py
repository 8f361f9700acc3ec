"""The description of the API as an OpenAPI 3.1 document, made of the types that validate and answer the requests."""
