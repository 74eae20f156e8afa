/* Shared by domxml.c and domxml_edit.c. */
#ifndef MOON_DOMXML_PRIV_H
#define MOON_DOMXML_PRIV_H

#include "xml.h"

/* The document and its <domain>; *doc is owned by the caller. */
int moon_domxml_open(const char *xml, xmlDocPtr *doc, xmlNodePtr *domain, struct moon_err *err);

/* text to "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx" in lower case; dashes may be missing. 0 or -1. */
int moon_domxml_uuid(const char *text, char out[37]);

#endif
