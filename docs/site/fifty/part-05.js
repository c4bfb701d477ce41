// SPDX-License-Identifier: MIT
window.parts.push(25);
