/* The server's certificate: from the configuration, or self-signed and kept below root. */
#ifndef SIM_CERT_H
#define SIM_CERT_H

/* Owned PEM texts; 0, or -1 after a line on stderr. */
int sim_cert_load(char **cert, char **key);

#endif
