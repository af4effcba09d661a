"""The log, its rows and sessions in DynamoDB."""
