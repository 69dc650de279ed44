module helyos/tests/go_tls

go 1.24
