"""What families owe: numbered invoices with lines and a due date, and the paper that shows them."""
