// The headers that nearly every file of this module needs, parsed once.
#pragma once
#include "application/conductor/conductor.h"
