/* The configuration file: JSON into the model. */
#ifndef SIM_CONFIG_H
#define SIM_CONFIG_H

/* 0, or -1 after one line on stderr for every mistake found. */
int sim_config_load(const char *file);

#endif
