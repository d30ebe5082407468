"""What of one OpenAPI document breaks clients of another: plain values, no web, no database."""
