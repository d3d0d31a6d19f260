/* Characters that a reader's eye or a terminal could be led astray by. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Controls (C0, DEL, C1), what Unicode says is not drawn (Default_Ignorable_Code_Point: joiners, fillers, variation
 * selectors, tags), what turns text around (Bidi_Control), line and paragraph separators, interlinear marks. */
bool is_unseen(uint32_t c);
