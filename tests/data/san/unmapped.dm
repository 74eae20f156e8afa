table 3600a0980383062716d5d5076684b6f66: 0 131072 multipath 2 pg_init_retries 50 1 alua 2 1 service-time 0 1 2 8:16 1 1 service-time 0 1 2 8:0 1 1 
status 3600a0980383062716d5d5076684b6f66: 0 131072 multipath 2 0 1 0 2 1 A 0 1 2 8:16 A 0 0 1 E 0 1 2 8:0 A 0 0 1 
