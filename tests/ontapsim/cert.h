/* The server's certificate: from the configuration, or self-signed and kept below root. */
#ifndef SIM_CERT_H
#define SIM_CERT_H

/* Owned PEM texts; 0, or -1 after a line on stderr. */
int sim_cert_load(char **cert, char **key);

/* Owned PEM text of the authority that signs client certificates; NULL when none is configured. */
int sim_cert_client_ca(char **ca);

#endif
