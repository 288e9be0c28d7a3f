"""What people look at: Grafana's dashboards, Prometheus' rules, and the page (`ui`)."""
