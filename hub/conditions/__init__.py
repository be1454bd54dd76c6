"""What conditions are judged by: where a request comes from, cases, quotas, approvals."""
