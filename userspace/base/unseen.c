#include "base/unseen.h"

#include <unictype.h>

bool is_unseen(uint32_t c)
{
	if (c >= 0x20 && c < 0x7f)
		return false;
	return c <= 0x9f || c == 0x2028 || c == 0x2029 || (c >= 0xfff0 && c <= 0xfffb) ||
	       uc_is_property(c, UC_PROPERTY_DEFAULT_IGNORABLE_CODE_POINT) ||
	       uc_is_property(c, UC_PROPERTY_BIDI_CONTROL);
}
