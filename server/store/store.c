#include "store/store.h"

void
store_listing_free(struct store_listing **pl)
{
    struct store_listing *l = *pl;
    *pl = NULL;
    if (l == NULL) {
        return;
    }
    for (size_t i = 0; i < l->count; i++) {
        sl_free(l->items[i].key);
    }
    sl_free(l->items);
    sl_free(l);
}
